// What every page has: times in the reader's zone, and requests that carry the session's form token.

export const formToken = document.querySelector('meta[name="form-token"]').content;

export async function send(address, body, method = "POST", keepalive = false) {
  const headers = { "Content-Type": "application/json", "X-Form": formToken };
  return fetch(address, { method, headers, body: JSON.stringify(body), keepalive });
}

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = zoned.format(at);
    time.title = exact.format(at);
  }
}

// A picture whose address has expired gets a fresh one, once. `gone`: it cannot be had.
export function renewing(image, imageId, kind, gone = () => {}) {
  const renew = async () => {
    if (image.dataset.renewed) return gone();
    image.dataset.renewed = "1";
    try {
      const answer = await fetch(`/api/v1/images/${imageId}/media`);
      const fresh = answer.ok && (await answer.json())[kind];
      if (!fresh) return gone();
      image.src = fresh;
    } catch {
      gone(); // there is no connection
    }
  };
  image.addEventListener("error", renew);
  if (image.getAttribute("src") && image.complete && !image.naturalWidth) renew(); // before we came
}

localTimes(document);
