import type { Exchange } from '../../http/exchange/exchange.ts';

/** What a person gets who comes with a browser: a page, or where to go on. */
export class BrowserAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** HTML. */
  readonly body: string;
  /** Why it is not what was wanted, for the log: without anything secret. */
  readonly failure: string | undefined;

  constructor(
    status: number,
    headers: Readonly<Record<string, string>>,
    { body = '', failure }: { readonly body?: string; readonly failure?: string | undefined } = {},
  ) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.failure = failure;
  }

  send(exchange: Exchange): void {
    for (const [name, value] of Object.entries(this.headers)) exchange.response.setHeader(name, value);
    exchange.failure = this.failure;
    exchange.send(this.status, 'text/html; charset=utf-8', this.body);
  }
}
