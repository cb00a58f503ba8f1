// A button beside text that is to be taken elsewhere. Only pages that are secure may use the clipboard.

function offer(place) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = place.dataset.copy;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(place.firstElementChild.textContent);
    button.textContent = place.dataset.copied;
    setTimeout(() => { button.textContent = place.dataset.copy; }, 2000);
  });
  place.append(button);
}

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach(offer);
}
