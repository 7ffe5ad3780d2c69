// Questions and commands to the server that this page came from.

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const COMMAND = { "content-type": "application/json", "x-motet-dashboard": "1" };

/** `filters` that are empty are left out. */
export function address(path, filters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `${path}?${text}` : path;
}

export async function get(path, filters, signal) {
  return answer(() => fetch(`/api${address(path, filters)}`, { signal }));
}

export async function post(path, body) {
  return answer(() => fetch(`/api${path}`, { method: "POST", headers: COMMAND, body: JSON.stringify(body) }));
}

async function answer(ask) {
  let response;
  try {
    response = await ask();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. It ends with the program it is part of.", 0);
  }
  const text = await response.text();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(text || `The server answered ${response.status}.`, response.status);
  }
  if (!response.ok) throw new ApiError(value.error ?? `The server answered ${response.status}.`, response.status);
  return value;
}
