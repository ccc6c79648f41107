/** The form by which a sample is reported: a request to take it down. */

import { button, field } from "../controls.js";
import { openDialog } from "../dialog.js";
import { el, put } from "../dom.js";
import { moment } from "../format.js";
import { trouble } from "../trouble.js";

const KINDS = [
  ["REPORT_KIND_RIGHTS", "I hold the rights and want it gone"],
  ["REPORT_KIND_PRIVACY", "It shows or names a person who wants it gone"],
  ["REPORT_KIND_ILLEGAL", "It may be illegal"],
  ["REPORT_KIND_UNSAFE", "It is unsafe and not marked so"],
  ["REPORT_KIND_OTHER", "Something else"],
];

/** Opens the form for a sample. */
export function openReport(sample, { api, dataset }) {
  const kind = el(
    "select",
    { class: "select", required: true },
    KINDS.map(([value, text]) => el("option", { value }, text)),
  );
  const message = el("textarea", { class: "input", rows: 4, maxlength: 2000 });
  const contact = el("input", { class: "input", type: "text", maxlength: 200, autocomplete: "email" });
  const outcome = el("div", {});
  const send = button("Send report", { kind: "primary", press: file });
  const form = el(
    "form",
    { class: "form", on: { submit: (event) => (event.preventDefault(), file()) } },
    el("p", { class: "hint", dir: "auto" }, sample.text || sample.sample_id),
    field("What is wrong", kind, { name: "kind" }),
    field("In your words", message, { name: "message", hint: "What whoever decides should know." }),
    field("How to reach you", contact, {
      name: "contact",
      hint: "May be left empty; then nobody can answer.",
    }),
    outcome,
  );
  const dialog = openDialog("Report this sample", form, {
    kind: "small",
    actions: [button("Cancel", { press: () => dialog.close() }), send],
  });

  async function file() {
    send.disabled = true;
    try {
      const request = {
        dataset,
        sample_id: sample.sample_id,
        kind: kind.value,
        message: message.value.trim(),
        contact: contact.value.trim(),
      };
      const answer = await api.search("ReportSample", request);
      put(
        form,
        el("p", { role: "status" }, "Thank you. The report is filed as "),
        el(
          "p",
          {},
          el("code", { class: "address" }, answer.report_id),
          ` on ${moment(answer.filed_at)} UTC.`,
        ),
      );
      send.remove();
    } catch (error) {
      put(outcome, trouble(error));
      send.disabled = false;
    }
  }
}
