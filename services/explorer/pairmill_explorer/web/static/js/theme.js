/** Light, dark, or as the system says. */

import { button } from "./controls.js";
import { put } from "./dom.js";
import { icon } from "./icons.js";
import { recall, remember } from "./memory.js";

const ORDER = ["auto", "light", "dark"];
const SYMBOLS = { auto: "auto", light: "sun", dark: "moon" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

/** Returns a button that goes through the themes. */
export function createThemeSwitch() {
  let theme = ORDER.includes(recall("theme")) ? recall("theme") : "auto";
  const element = button("", { symbol: SYMBOLS[theme], label: "Theme", kind: "quiet", press: next });
  show();
  return element;

  function next() {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    remember("theme", theme === "auto" ? null : theme);
    show();
  }

  function show() {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    put(element, icon(SYMBOLS[theme]));
    element.setAttribute("aria-label", `Theme: ${NAMES[theme]}`);
    element.title = `Theme: ${NAMES[theme]}`;
  }
}
