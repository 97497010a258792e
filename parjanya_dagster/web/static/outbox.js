// Decisions on their way: kept in this browser until the server has answered, one after the other.
// The same request twice is one decision, so whatever is not known to have arrived is sent again.

import { send } from "./desk.js";

const PAUSES = [1, 2, 4, 8, 15]; // seconds before each new try

export class Outbox {
  constructor(name, answered, changed) {
    this.name = name;
    this.answered = answered; // (decision, body) once the server has said what became of it
    this.changed = changed; // () whenever something came, went, or could not be sent
    this.waiting = JSON.parse(localStorage.getItem(name) ?? "[]");
    this.trouble = "";
    this.tries = 0;
    this.sending = false;
    addEventListener("online", () => this.flush());
    if (this.waiting.length) this.flush();
  }

  add(decision) {
    this.waiting.push(decision);
    this.keep();
    this.flush();
  }

  has(imageId) {
    return this.waiting.some((one) => one.image_id === imageId);
  }

  keep() {
    localStorage.setItem(this.name, JSON.stringify(this.waiting));
    this.changed();
  }

  async flush() {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      while (this.waiting.length) {
        const [decision] = this.waiting;
        const { image_id: imageId, ...asked } = decision;
        let answer, body;
        try {
          answer = await send(`/api/v1/images/${imageId}/review`, asked);
          body = await answer.json();
          if (answer.status === 429 || answer.status >= 500) throw new Error(body.says ?? body.detail);
        } catch (error) {
          this.later(navigator.onLine ? error.message : "There is no connection.");
          return;
        }
        if (answer.status === 401 || answer.status === 403) {
          this.trouble = "Your session has ended: open the desk's address again. Nothing is lost.";
          this.changed();
          return;
        }
        this.trouble = "";
        this.tries = 0;
        this.waiting.shift();
        this.keep();
        this.answered(decision, body, answer.status);
      }
    } finally {
      this.sending = false;
    }
  }

  later(why) {
    this.trouble = why || "The server does not answer.";
    this.timer = setTimeout(() => this.flush(), 1000 * PAUSES[Math.min(this.tries, PAUSES.length - 1)]);
    this.tries += 1;
    this.changed();
  }
}
