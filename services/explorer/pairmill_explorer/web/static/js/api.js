/** Calls of the explorer's services: proto3 JSON over HTTP. */

/** An answer that is a refusal; `violations` are `{field, description}`. */
export class ApiError extends Error {
  constructor(status, code, message, violations = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.violations = violations;
  }

  /** Whether the same call may work later. */
  get retriable() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  #login;
  #entering = null;

  /** `login` resolves once the user has given a token. */
  constructor(login) {
    this.#login = login;
  }

  search(method, request, signal) {
    return this.#call("SearchService", method, request, signal);
  }

  subsets(method, request, signal) {
    return this.#call("SubsetService", method, request, signal);
  }

  async #call(service, method, request, signal) {
    let answer = await send(service, method, request, signal);
    if (answer.status === 401) {
      await this.#enter();
      answer = await send(service, method, request, signal);
    }
    if (answer.ok) return answer.json();
    throw await refusal(answer);
  }

  /** Asks once, however many calls were refused. */
  async #enter() {
    this.#entering ??= this.#login().finally(() => {
      this.#entering = null;
    });
    await this.#entering;
  }
}

/** Gives a token for a session's cookie; throws ApiError if it is refused. */
export async function openSession(token) {
  const answer = await post("/login", { token });
  if (!answer.ok) throw await refusal(answer);
}

/** Returns the address of a sample's image, shrunk to a longest side. */
export function imageAddress(dataset, sampleId, side, safe) {
  const path = `/api/v1/images/${encodeURIComponent(dataset)}/${encodeURIComponent(sampleId)}`;
  return `${path}?side=${side}${safe === "hide" ? "" : `&safe=${safe}`}`;
}

/** Whether an error only says that nobody waits for the answer any more. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

function send(service, method, request, signal) {
  return post(`/api/v1/${service}/${method}`, request, signal);
}

async function post(path, body, signal) {
  try {
    return await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      signal,
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "UNAVAILABLE", "The explorer cannot be reached.");
  }
}

async function refusal(answer) {
  try {
    const { code, message, violations } = await answer.json();
    return new ApiError(
      answer.status,
      code,
      message || `The explorer answered ${answer.status}.`,
      violations,
    );
  } catch {
    return new ApiError(answer.status, "UNKNOWN", `The explorer answered ${answer.status}.`);
  }
}
