/** Line icons, drawn; 16 by 16 in the colour of the text. */

import { svg } from "./dom.js";

const PATHS = {
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
  image: "M2.5 3h11v10h-11zM2.5 11l3.5-3.5 3 3 2-2 2.5 2.5M10.5 6.2h.01",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  alike: "M2.5 2.5h7v7h-7zM6.5 12v1.5h7v-7H12",
  filter: "M2 4h12M4.5 8h7M7 12h2",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5Z",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11ZM8 2.5a5.5 5.5 0 0 1 0 11M8 5.5h4.5M8 8h5.3M8 10.5h4.5",
  left: "M10 3L5 8l5 5",
  right: "M6 3l5 5-5 5",
  down: "M3 6l5 5 5-5",
  flag: "M4 14V2.5h8l-2 3 2 3H4",
  outside: "M6 3H3v10h10v-3M9 2.5h4.5V7M13 3L7.5 8.5",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  gone: "M2.5 3h11v10h-11zM2.5 13l11-10",
  data: "M8 6.5c3 0 5.5-1 5.5-2.2S11 2 8 2 2.5 3 2.5 4.3 5 6.5 8 6.5ZM2.5 4.3v7.4C2.5 13 5 14 8 14s5.5-1 5.5-2.3V4.3M2.5 8c0 1.3 2.5 2.3 5.5 2.3s5.5-1 5.5-2.3",
  help: "M6 6a2 2 0 1 1 2.8 1.8c-.5.3-.8.6-.8 1.2M8 11.7h.01M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Z",
};

/** Returns an icon that assistive technology passes over: whoever uses it gives the name. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
