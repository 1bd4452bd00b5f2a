/** Errors, warnings and remarks, each with its colour and a word that says which it is. */

import type { ComponentChildren } from "preact";

type Kind = "error" | "warning" | "info";

const WORDS: Record<Kind, string> = { error: "Error", warning: "Warning", info: "Info" };

export function Notice({ kind, children }: { readonly kind: Kind; readonly children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <b>{WORDS[kind]}</b>
      <span>{children}</span>
    </div>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}
