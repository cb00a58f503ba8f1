// The setup link carries its code after the #, which browsers do not send. It goes into the form,
// and out of the address, so that it stays neither in the history nor on the screen.
const field = document.getElementById("code");
const code = decodeURIComponent(location.hash.slice(1));
if (field && code) {
  field.value = code;
  history.replaceState(null, "", location.pathname);
  document.getElementById("name").focus();
}
