/**
 * Addresses from a dataset. They are strangers': shown as text, and followed only after a question that names the
 * host. What is no web address (`javascript:` and its like) never becomes a link.
 */

import { button } from "./controls.js";
import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const SCHEMES = new Set(["http:", "https:"]);

/** Returns an address as text, with a way to open it if it is one of the web. */
export function outsideAddress(text, what = "page") {
  const url = webAddress(text);
  return el(
    "span",
    { class: "outside" },
    el("code", { class: "address" }, text),
    url
      ? button("", {
          symbol: "outside",
          label: `Open the ${what} elsewhere…`,
          kind: "quiet small",
          press: () => warn(url),
        })
      : text && el("span", { class: "badge" }, "not a web address"),
  );
}

/** Returns the parsed address if it is http or https, else null. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return SCHEMES.has(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function warn(url) {
  const link = el(
    "a",
    {
      class: "button primary",
      href: url.href,
      target: "_blank",
      rel: "noopener noreferrer nofollow",
      referrerpolicy: "no-referrer",
    },
    `Open ${url.host}`,
  );
  const { close } = openDialog(
    "Leave Pairmill?",
    [
      el(
        "p",
        {},
        "This address is from the crawl. The site behind it will see that you visit it, and may show something else today.",
      ),
      el("p", {}, el("code", { class: "address" }, url.href)),
    ],
    { kind: "small", actions: [button("Stay", { press: () => close() }), link] },
  );
  link.addEventListener("click", () => close());
}
