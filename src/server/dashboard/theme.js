// Loaded before the page is painted, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem("tickwire.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage can be forbidden: the system's theme it is.
}
