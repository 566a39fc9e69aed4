// The history and its regressions are one page: mark the link of the view that is shown.
const links = [...document.querySelectorAll(".site-nav a")];
function mark() {
  const view = location.hash.includes("view=regressions") ? "#view=regressions" : "";
  for (const link of links) {
    if (link.pathname !== location.pathname) continue;
    if (link.hash === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", mark);
mark();
// The interface writes its address without an event, and leaves some controls without a name.
const named = { input: "filter", select: "choice" };
function name() {
  mark();
  for (const control of document.querySelectorAll("#root input, #root select")) {
    if (control.labels?.length || control.getAttribute("aria-label") || control.title) continue;
    control.setAttribute("aria-label", control.placeholder || named[control.localName]);
  }
}
new MutationObserver(name).observe(document.getElementById("root"), { childList: true, subtree: true });
