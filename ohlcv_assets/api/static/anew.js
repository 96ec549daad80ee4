// Sent in place of a page's script that the service does not have: the page is of an earlier run of it.
const kept = "ohlcv.reloaded-for";
const which = import.meta.url;
if (sessionStorage.getItem(kept) !== which) {
  sessionStorage.setItem(kept, which);
  location.reload();
} else {
  document.querySelector("main").dataset.phase = "failed";
  document.getElementById("cover").dataset.kind = "failed";
  document.getElementById("cover-title").textContent = "This page is of another version than the service";
  document.getElementById("cover-detail").textContent = "Restart the service, then load the page again.";
}
