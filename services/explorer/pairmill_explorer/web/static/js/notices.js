/** Short messages at the edge of the page, read out by screen readers. */

import { button } from "./controls.js";
import { el } from "./dom.js";

const SECONDS = 6;

/** Returns a function that shows a message for a while. */
export function createNotices(element) {
  return function notify(text, { kind = "" } = {}) {
    const notice = el("div", { class: `notice ${kind}`.trim() }, el("span", {}, text));
    const gone = () => notice.remove();
    notice.append(button("", { symbol: "close", label: "Dismiss", kind: "quiet", press: gone }));
    element.append(notice);
    setTimeout(gone, SECONDS * 1000);
  };
}
