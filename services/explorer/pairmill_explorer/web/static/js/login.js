/** Asks for a token where the explorer wants one. */

import { openSession } from "./api.js";
import { button, field } from "./controls.js";
import { openDialog } from "./dialog.js";
import { el, put } from "./dom.js";
import { trouble } from "./trouble.js";

/** Resolves once a session is open; the dialog comes again until then. */
export function askForToken() {
  return new Promise((resolve) => {
    let entered = false;
    const token = el("input", {
      class: "input",
      type: "password",
      required: true,
      autocomplete: "current-password",
    });
    const outcome = el("div", {});
    const enter = button("Sign in", { kind: "primary", press: send });
    const form = el(
      "form",
      { class: "form", on: { submit: (event) => (event.preventDefault(), send()) } },
      field("Token", token, {
        name: "token",
        hint: "Whoever runs this explorer gives it to you. It is kept as a cookie of this site.",
      }),
      outcome,
    );
    const closed = () => (entered ? resolve() : askForToken().then(resolve));
    const dialog = openDialog("Sign in", form, { kind: "small", closed, actions: [enter] });

    async function send() {
      try {
        await openSession(token.value.trim());
        entered = true;
        dialog.close();
      } catch (error) {
        put(outcome, trouble(error));
      }
    }
  });
}
