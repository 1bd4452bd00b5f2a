/** A button that opens a small panel, which Escape and a click elsewhere close. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { Icon } from "./icons.tsx";

interface PopoverProps {
  readonly label: string;
  readonly text: string;
  readonly children: (close: () => void) => ComponentChildren;
}

export function Popover({ label, text, children }: PopoverProps) {
  const [open, setOpen] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };

  useEffect(() => {
    if (!open) return undefined;
    const onPointer = (event: PointerEvent): void => {
      if (!event.composedPath().includes(host.current as EventTarget)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open]);

  return (
    <div class="popover" ref={host} onKeyDown={(event) => event.key === "Escape" && open && close()}>
      <button ref={button} type="button" class="button" aria-label={`${label}: ${text}`} aria-expanded={open} onClick={() => setOpen(!open)}>
        <span>{text}</span>
        <Icon name="down" />
      </button>
      {open && <div class="panel">{children(close)}</div>}
    </div>
  );
}
