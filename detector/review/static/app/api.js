// Questions to the program, and what people say to it; nothing else is asked of anybody.

async function answer(response) {
  const value = await response.json().catch(() => null); // null: it was cut, as by the program's end
  if (response.ok && value !== null) return value;
  const problem = value?.problem ?? "The program gave no whole answer: is it still running?";
  throw Object.assign(new Error(problem), { status: response.status });
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw Object.assign(
      new Error("The program does not answer: is it still running? Nothing was saved."),
      {
        status: 0,
      },
    );
  }
  return answer(response);
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return send(text ? `${path}?${text}` : path, {});
}

export const post = (path, value) =>
  send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export const cropAddress = (card) =>
  `/pictures/crop?media=${card.media}&frame=${card.frame}&box=${card.box}&v=${card.version}`;
export const frameAddress = (media, frame, version, size) =>
  `/pictures/frame?media=${media}&frame=${frame}&size=${size}&v=${version}`;
