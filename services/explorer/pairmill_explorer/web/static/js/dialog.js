/** Modal dialogs: the browser traps the focus, closes on Escape, and gives the focus back. */

import { button } from "./controls.js";
import { el, freshId } from "./dom.js";

/**
 * Opens a dialog and returns `{element, close}`; `closed` is called once it is gone, however that came about. A click
 * beside it closes it.
 */
export function openDialog(title, content, { kind = "", closed, actions = [], lead = [] } = {}) {
  const id = freshId("dialog");
  const element = el("dialog", { class: `dialog ${kind}`.trim(), "aria-labelledby": id });
  const close = () => element.close();
  element.append(
    el(
      "div",
      { class: "dialog-box" },
      el(
        "header",
        { class: "dialog-head" },
        el("h2", { id }, title),
        lead,
        button("", { symbol: "close", label: "Close", kind: "quiet", press: close }),
      ),
      el("div", { class: "dialog-body" }, content),
      actions.length > 0 && el("footer", { class: "dialog-foot" }, actions),
    ),
  );
  element.addEventListener("click", (event) => {
    if (event.target === element) close();
  });
  element.addEventListener("close", () => {
    element.remove();
    closed?.();
  });
  document.body.append(element);
  element.showModal();
  return { element, close };
}

/** Asks a yes-or-no question; resolves to whether it was affirmed. */
export function ask(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const affirm = button(yes, {
      kind: "primary",
      press: () => {
        answer = true;
        dialog.close();
      },
    });
    const refuse = button("Cancel", { press: () => dialog.close() });
    const dialog = openDialog(title, el("p", {}, text), {
      kind: "small",
      closed: () => resolve(answer),
      actions: [refuse, affirm],
    });
  });
}
