/** A box for PromQL: highlighted, completed from what the server holds, checked while typing. */

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "preact/hooks";

import { seriesCompletion } from "./completion.ts";

const highlight = HighlightStyle.define([
  { tag: [tags.variableName, tags.labelName], color: "var(--code-name)" },
  { tag: tags.labelName, color: "var(--code-label)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: [tags.number, tags.integer, tags.float], color: "var(--code-number)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.name)], color: "var(--code-function)" },
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--code-keyword)", fontWeight: "600" },
  { tag: [tags.operator, tags.arithmeticOperator, tags.compareOperator], color: "var(--code-operator)" },
  { tag: tags.comment, color: "var(--text-faint)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

/** Colours are variables of the page, so that one theme serves light and dark. */
const theme = EditorView.theme({
  "&": { color: "var(--text)", fontSize: "13px", backgroundColor: "transparent" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px", maxHeight: "220px", overflow: "auto" },
  ".cm-content": { padding: "6px 0", caretColor: "var(--text)", minHeight: "32px" },
  ".cm-line": { padding: "0 10px" },
  ".cm-placeholder": { color: "var(--text-faint)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--selection)",
  },
  "&.cm-focused .cm-matchingBracket": { background: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  "&.cm-focused .cm-nonmatchingBracket": { background: "var(--bad-soft)" },
  ".cm-tooltip": {
    background: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--border-strong)",
    borderRadius: "6px",
    boxShadow: "var(--shadow)",
    overflow: "hidden",
    fontSize: "12.5px",
  },
  ".cm-tooltip.cm-tooltip-autocomplete": { overflow: "visible" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "260px", maxWidth: "min(640px, 92vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px", lineHeight: "20px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--accent)", color: "var(--on-accent)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "var(--on-accent)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionDetail": { color: "var(--text-muted)", fontStyle: "normal", fontFamily: "var(--sans)", fontSize: "11.5px" },
  ".cm-completionIcon": { display: "none" },
  ".cm-completionInfo": { padding: "8px 10px", maxWidth: "340px", fontFamily: "var(--sans)", lineHeight: "17px" },
  ".cm-diagnostic": { padding: "5px 9px", fontFamily: "var(--sans)" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
});

interface EditorProps {
  /** What the editor holds at first and whenever `version` changes; in between it is the editor that knows. */
  readonly text: string;
  readonly version: number;
  readonly label: string;
  readonly focused: boolean;
  readonly onChange: (text: string) => void;
  readonly onRun: () => void;
}

/**
 * The editor lives in a shadow root: there CodeMirror puts its styles into constructed style sheets, so that the
 * page's policy need not allow style elements.
 */
export function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  // The editor is made once and calls whatever the newest properties are.
  const newest = useRef(props);
  newest.current = props;
  // Whether the text is being set from outside, which is no news to whoever set it.
  const isGiven = useRef(false);

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open", delegatesFocus: true });
    const promql = new PromQLExtension().setComplete(seriesCompletion());
    const run = (): boolean => {
      newest.current.onRun();
      return true;
    };
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: newest.current.text,
        extensions: [
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false, maxRenderedOptions: 200 }),
          syntaxHighlighting(highlight),
          theme,
          promql.asExtension(),
          placeholder("PromQL, for example rate(chronoxide_storage_samples_total[1m])"),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": newest.current.label, spellcheck: "false", enterkeyhint: "go" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !isGiven.current) newest.current.onChange(update.state.doc.toString());
          }),
          // An open list of completions takes Enter first; otherwise Enter runs, like in any box for a query.
          keymap.of([...completionKeymap, { key: "Tab", run: acceptCompletion }]),
          Prec.high(
            keymap.of([
              { key: "Ctrl-Enter", mac: "Cmd-Enter", run },
              { key: "Shift-Enter", run },
              { key: "Alt-Enter", run: insertNewlineAndIndent },
            ]),
          ),
          keymap.of([
            { key: "Enter", run },
            ...closeBracketsKeymap,
            ...lintKeymap,
            ...historyKeymap,
            ...defaultKeymap,
            { key: "Ctrl-Space", run: startCompletion },
          ]),
        ],
      }),
    });
    view.current = editor;
    if (newest.current.focused) editor.focus();
    return () => {
      promql.destroy();
      editor.destroy();
    };
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (editor === undefined || editor.state.doc.toString() === props.text) return;
    isGiven.current = true;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.text } });
    isGiven.current = false;
  }, [props.version]);

  return <div class="editor" ref={host} />;
}
