/** One HTML file that needs nothing else. What it tells is text in it, and nothing of that runs; nothing is fetched or sent. */
import { createHash } from 'node:crypto';

/** What a page is made of. Markup is taken as it is: whatever comes from elsewhere has gone through {@link escaped}. */
export interface PageParts {
  /** Text. */
  readonly title: string;
  readonly style: string;
  /** Markup. */
  readonly body: string;
  /** Anything that JSON can carry, by the id of the element that has it. */
  readonly data: { readonly id: string; readonly value: unknown };
  /** Sources of scripts, in the order in which they run: libraries first, then the page's own. */
  readonly scripts: readonly string[];
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** What HTML cannot hold, and what turns the direction of writing. */
const UNFIT = /[^\P{Cc}\n\t]|\p{Bidi_Control}|\p{Cs}/gu;

/** Text as it may stand in markup, attributes included. */
export function escaped(text: string): string {
  return text.replace(UNFIT, '\ufffd').replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** JSON that no `</script>` can end. */
function embedded(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** For a policy that lets the page's own scripts run and no other. */
function sourceHash(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}

/** Should something be live that must not be, it is not run. */
function policy(scripts: readonly string[]): string {
  return (
    `default-src 'none'; script-src ${scripts.map(sourceHash).join(' ')}; style-src 'unsafe-inline'; img-src data:; ` +
    "base-uri 'none'; form-action 'none'"
  );
}

/** @returns The whole page. */
export function selfContainedPage({ title, style, body, data, scripts }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${style}
</style>
</head>
<body>
${body}
<script type="application/json" id="${data.id}">${embedded(data.value)}</script>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}
