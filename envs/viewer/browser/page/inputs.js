// What the person holds and asks for: keys, mouse or finger, gamepad.

const HELD_KEYS = {
  arrowleft: "left", a: "left", arrowright: "right", d: "right", arrowup: "accelerate", w: "accelerate",
  arrowdown: "brake", s: "brake", " ": "full_brake",
};
const ALIASES = { escape: "esc", "+": "=", "_": "-" };
const PAD_BUTTONS = { 1: "B", 2: "X", 3: "Y", 4: "LB", 5: "RB", 8: "Back", 9: "Start" };
const REPEAT = 250; // what is held is told again this often, or the server lets it go [ms]

export class Inputs {
  /** @param send takes a message. @param command takes a command's name. */
  constructor(send, command) {
    this.send = send;
    this.command = command;
    this.keys = new Map(); // physical key -> what it holds
    this.pointer = null;
    this.pads = [];
    this.pressed = new Set(); // buttons of gamepads
    this.commandOfKey = {};
    this.commandOfPad = {};
    this.told = "";
    window.addEventListener("keydown", (event) => this.keyDown(event));
    window.addEventListener("keyup", (event) => this.keyUp(event));
    window.addEventListener("blur", () => this.release());
    window.addEventListener("pagehide", () => this.release());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) return;
      this.release();
      this.send({ kind: "hidden" });
    });
    setInterval(() => this.holdsSomething() && this.tell(true), REPEAT);
  }

  learn(commands) {
    for (const { name, key, pad } of commands) {
      this.commandOfKey[key.toLowerCase()] = name;
      if (pad) this.commandOfPad[pad] = name;
    }
  }

  keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const low = event.key.toLowerCase();
    const key = ALIASES[low] ?? low;
    const command = /^[1-9]$/.test(key) ? key : this.commandOfKey[key];
    if (HELD_KEYS[key]) this.keys.set(event.code, HELD_KEYS[key]);
    else if (command && !event.repeat) this.command(command);
    else if (!command) return;
    event.preventDefault();
    this.tell();
  }

  keyUp(event) {
    if (this.keys.delete(event.code)) {
      event.preventDefault();
      this.tell();
    }
  }

  /** Let a box steer while a mouse or finger is down on it. `clicked` takes a click and says whether it meant one. */
  follow(box, on, clicked) {
    const place = (event) => {
      const at = box.getBoundingClientRect();
      return { on, x: (event.clientX - at.left) / at.width, y: (event.clientY - at.top) / at.height };
    };
    box.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      if (clicked(place(event))) return;
      box.setPointerCapture(event.pointerId);
      this.pointer = place(event);
      this.tell();
    });
    box.addEventListener("pointermove", (event) => {
      if (!box.hasPointerCapture(event.pointerId) || !this.pointer) return;
      this.pointer = place(event);
      this.tell();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      box.addEventListener(name, () => {
        this.pointer = null;
        this.tell();
      });
    }
  }

  /** Read the gamepads; browsers tell of them only when asked. */
  poll() {
    const pads = navigator.getGamepads().filter((pad) => pad?.mapping === "standard").slice(0, 4);
    this.pads = pads.map((pad) => ({
      stick: Math.max(-1, Math.min(1, pad.axes[0])),
      throttle: pad.buttons[7].value,
      brake: pad.buttons[6].value,
      full_brake: pad.buttons[0].pressed,
    }));
    const pressed = new Set();
    pads.forEach((pad, i) => {
      for (const [button, name] of Object.entries(PAD_BUTTONS)) {
        if (pad.buttons[button]?.pressed) pressed.add(`${i} ${name}`);
      }
    });
    for (const one of pressed) {
      const command = this.commandOfPad[one.split(" ")[1]];
      if (command && !this.pressed.has(one)) this.command(command);
    }
    this.pressed = pressed;
    this.tell();
  }

  holdsSomething() {
    return this.keys.size > 0 || this.pointer !== null || this.pads.length > 0;
  }

  release() {
    this.keys.clear();
    this.pointer = null;
    this.pads = [];
    this.tell();
  }

  tell(again = false) {
    const held = { kind: "held", keys: [...new Set(this.keys.values())], pointer: this.pointer, pads: this.pads };
    const text = JSON.stringify(held);
    if (text === this.told && !again) return;
    this.told = text;
    this.send(held);
  }
}
