// Runs before the page is painted, so that a chosen theme does not flash; not a module, for those come late.
(() => {
  try {
    const chosen = localStorage.getItem("pairmill.theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is refused; the system's theme it is.
  }
})();
