// Times in the reader's zone, UTC on hover. Without this module the page shows UTC, and says so.

// The reader's own variant of the page's language, such as en-GB for a page in English.
const page = document.documentElement.lang;
const language = navigator.languages.find((each) => each.split("-")[0] === page.split("-")[0]) ?? page;
const local = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const { timeZone } = local.resolvedOptions();

for (const time of document.querySelectorAll("time[data-moment]")) {
  time.title = time.textContent;
  time.textContent = local.format(new Date(time.dateTime));
}
for (const note of document.querySelectorAll("[data-zone]")) {
  note.textContent = note.dataset.zone.replace("…", timeZone);
}
