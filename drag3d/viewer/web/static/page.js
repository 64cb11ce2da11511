// What a page of trame cannot do by itself: exact mouse positions, keys, uploads and downloads.
(function () {
  "use strict";
  const KEYS = {" ": "space", "Esc": "escape", "Del": "delete", "Spacebar": "space"};
  const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
  const MOST_WAITING = 400;
  const waiting = [];   // events not sent yet
  const held = new Map();  // keys that are down: code -> name
  let sending = false, view = null, known = new Set();

  // ---- events to the server: in order, one message under way at a time, moves in between put together ----

  function send(event) {
    const last = waiting[waiting.length - 1];
    if (event.kind === "move" && last && last.kind === "move") waiting.pop();
    if (event.kind === "wheel" && last && last.kind === "wheel") {
      waiting.pop();
      event.delta += last.delta;
    }
    if (waiting.length < MOST_WAITING) waiting.push(event);
    pump();
  }

  async function pump() {
    if (sending || !window.trame) return;
    sending = true;
    try {
      while (waiting.length) await window.trame.trigger("events", [waiting.splice(0)]);
    } catch (error) {
      console.warn("the server did not take an event", error);
    } finally {
      sending = false;
    }
  }

  // ---- mouse ----

  const BUTTONS = ["left", "middle", "right"];

  function pointer(kind, event, extra) {
    const box = view.getBoundingClientRect();
    send(Object.assign({
      kind,
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
      shift: event.shiftKey,
      ctrl: event.ctrlKey || (MAC && event.metaKey),
      alt: event.altKey,
    }, extra));
  }

  function unfocus() {
    const focused = document.activeElement;
    if (focused && focused !== document.body && focused !== view) focused.blur();
  }

  function attach(element) {
    view = element;
    element.addEventListener("pointerdown", (event) => {
      const button = BUTTONS[event.button];
      if (!button) return;
      unfocus();  // a number that was being typed counts
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      pointer("press", event, {button});
    });
    element.addEventListener("pointermove", (event) => pointer("move", event));
    element.addEventListener("pointerup", (event) => {
      if (BUTTONS[event.button]) pointer("release", event, {button: BUTTONS[event.button]});
    });
    element.addEventListener("pointercancel", (event) => pointer("release", event, {button: "left"}));
    element.addEventListener("dblclick", (event) => pointer("double", event, {button: "left"}));
    element.addEventListener("pointerleave", (event) => pointer("leave", event));
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 3 : event.deltaMode === 2 ? 1 : 100;
      pointer("wheel", event, {delta: -(event.deltaY || event.deltaX) / unit});
    }, {passive: false});
  }

  // ---- keys ----

  function nameOf(event) {
    let key = KEYS[event.key] || event.key;
    // Another alphabet's keyboard: what stands on the key in Latin letters
    if (key.length === 1 && key.charCodeAt(0) > 127 && /^(Key|Digit)/.test(event.code)) key = event.code.slice(-1);
    key = key.toLowerCase();
    const typed = event.getModifierState && event.getModifierState("AltGraph");
    if (event.altKey && !typed) return "";  // the browser's own
    const symbol = key.length === 1 && !/[a-z0-9]/.test(key);  // shift is part of what it is
    const ctrl = (event.ctrlKey || (MAC && event.metaKey)) && !typed;
    return (ctrl ? "ctrl+" : "") + (event.shiftKey && !symbol ? "shift+" : "") + key;
  }

  const TEXT_KEYS = new Set(["ctrl+z", "ctrl+y", "ctrl+shift+z", "ctrl+backspace"]);

  // Whether the element that has the focus needs this key itself.
  function belongsToFocus(name) {
    const focused = document.activeElement;
    if (document.querySelector(".v-dialog.v-overlay--active")) return !name.startsWith("ctrl+") || TEXT_KEYS.has(name);
    if (!focused || focused === document.body || focused === view) return false;
    if (focused.matches("input, textarea, select, [contenteditable], [role=combobox], [role=slider], [role=listbox] *")) {
      return TEXT_KEYS.has(name) || !(name.startsWith("ctrl+") || /^f[0-9]+$/.test(name));
    }
    return ["space", "enter", "tab", "shift+tab"].includes(name);  // buttons
  }

  window.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const name = nameOf(event);
    const focused = document.activeElement;
    if (focused && focused.matches("input") && !document.querySelector(".v-menu.v-overlay--active")) {
      if (name === "escape" || name === "enter") {
        focused.blur();  // what was typed counts, and keys are ours again
        if (name === "enter") { event.preventDefault(); return; }
      }
    }
    if (!known.has(name) || belongsToFocus(name)) return;
    event.preventDefault();
    if (event.repeat || held.has(event.code)) return;
    held.set(event.code, name);
    send({kind: "key", name, down: true});
  }, true);

  function up(code) {
    const name = held.get(code);
    if (name === undefined) return;
    held.delete(code);
    send({kind: "key", name, down: false});
  }

  window.addEventListener("keyup", (event) => {
    up(event.code);
    if (event.key === "Meta") [...held.keys()].forEach(up);  // macOS tells no releases while command is down
  }, true);
  window.addEventListener("blur", () => [...held.keys()].forEach(up));

  // After a click on a button or a choice, keys belong to the view again.
  document.addEventListener("click", (event) => {
    if (event.detail && event.target.closest(".v-btn, .v-list-item, .v-selection-control, .v-expansion-panel-title")
        && !event.target.closest(".v-dialog")) setTimeout(unfocus, 0);
  }, true);
  document.addEventListener("pointerup", (event) => {
    if (event.target.closest && event.target.closest(".v-slider")) setTimeout(unfocus, 0);
  }, true);

  // ---- files ----

  function base() {
    return window.location.pathname.replace(/[^/]*$/, "");
  }

  function download(name) {
    const link = document.createElement("a");
    link.href = base() + "files/" + encodeURIComponent(name);
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
  }

  async function upload(input, most) {
    const file = input.files[0];
    input.value = "";
    if (!file) return;
    const trouble = (text) => window.trame.trigger("trouble", [text]);
    if (file.size > most) {
      trouble("that file is too large: at most " + Math.floor(most / 1048576) + " MB can be uploaded");
      return;
    }
    try {
      const answer = await fetch(base() + "upload", {method: "POST", body: file});
      if (!answer.ok) trouble("the file was not taken: " + (await answer.text()).slice(0, 200));
    } catch (error) {
      trouble("the file did not get through: " + error.message);
    }
  }

  // ---- the connection ----

  // trame would spin for ever. The session may still be there: after a sleep, or a network that was gone for a while.
  function lost() {
    document.body.innerHTML = '<main class="drag3d-lost" role="alert"><h1>The connection is gone</h1>'
      + "<p>As soon as the server answers, the page comes back, and the edit with it.</p>"
      + '<p><a href="">Try now</a></p></main>';
    setInterval(async () => {
      try {
        await fetch(window.location.href, {cache: "no-store"});
        window.location.reload();
      } catch (error) {
        // not yet
      }
    }, 2000);
  }

  // ---- the page ----

  let gone = false;

  function begin() {
    if (gone) return;
    if (view && !view.isConnected) {
      gone = true;
      lost();
      return;
    }
    const element = document.querySelector(".drag3d-view");
    if (window.trame && window.trame.state) known = new Set(window.trame.state.get("known_keys") || []);
    if (element && element !== view) attach(element);
    if (element && known.size) document.documentElement.dataset.drag3d = "ready";
  }
  window.addEventListener("pagehide", () => { gone = true; });
  new MutationObserver(begin).observe(document.documentElement, {childList: true, subtree: true});

  window.drag3d = {download, upload, unfocus};
})();
