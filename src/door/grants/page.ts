import { pagePolicy } from '../../http/exchange/page-policy.ts';
import { BrowserAnswer } from '../tokens/browser-answer.ts';
import { Html, html } from './html.ts';

export interface PageContent {
  readonly title: string;
  readonly body: Html;
  /** Default: 200. */
  readonly status?: number;
  /** Where its form leads besides here (`formTarget`). */
  readonly formTarget?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly failure?: string | undefined;
}

const style = new Html(
  [
    'body{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}',
    'label{display:block;margin-top:1rem}',
    'input{font:inherit;box-sizing:border-box;width:100%;padding:.5rem;border:1px solid #595959;border-radius:.25rem}',
    'button{font:inherit;margin:1.5rem .5rem 0 0;padding:.5rem 1rem;border:1px solid #595959;border-radius:.25rem;background:#eee;color:inherit}',
    'button.main{background:#0b57b0;border-color:#0b57b0;color:#fff}',
    '.code{font:1.5rem/1.5 ui-monospace,monospace;letter-spacing:.1em}',
    '[role=alert]{border-left:.25rem solid #b00020;padding-left:.75rem}',
    ':focus-visible{outline:.2rem solid #0b57b0;outline-offset:.1rem}',
  ].join(''),
);

const policy = pagePolicy(style.text);

/** What is the same for all that a browser gets here. */
const common = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // With none at all browsers would not say by which page a form was sent (Origin).
  'Referrer-Policy': 'same-origin',
};

export function page({
  title,
  body,
  status = 200,
  formTarget,
  headers = {},
  failure,
}: PageContent): BrowserAnswer {
  const text = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title}</title><meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
  return new BrowserAnswer(
    status,
    { ...common, 'Content-Security-Policy': policy(formActionOf(formTarget)), ...headers },
    { body: text.text, failure },
  );
}

/** The browser goes on there, and takes nothing that it has sent with it. */
export function sentTo(location: string, failure?: string): BrowserAnswer {
  return new BrowserAnswer(303, { ...common, Location: location }, { failure });
}

/** What cannot be gone on with. */
export function faultPage(
  status: number,
  fault: string,
  headers: Readonly<Record<string, string>> = {},
): BrowserAnswer {
  return page({
    ...{ title: 'This does not work', status, headers, failure: fault },
    body: html`<p role="alert">${fault}</p>\n<p>Close this page and begin again in the program that led here.</p>`,
  });
}

/** Browsers hold the answer's redirect to it as well. */
function formActionOf(formTarget: string | undefined): string {
  return formTarget === undefined ? "'self'" : `'self' ${formTarget}`;
}
