/** A proxy between us and upstreams (RFC 9110 section 3.7). Its user and password are in no URL and no text of it. */
export class HttpProxy {
  /** Where it is: scheme, host and port. */
  readonly origin: URL;
  readonly #userinfo: string | undefined;

  private constructor(origin: URL, userinfo: string | undefined) {
    this.origin = origin;
    this.#userinfo = userinfo;
  }

  /** Reads `http://user:password@proxy:3128`; a text without a scheme is http. Throws an Error that quotes nothing of it. */
  static parse(text: string): HttpProxy {
    const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
    if (/^socks/i.test(whole)) throw new Error('SOCKS proxies are not supported: use an http or https one');
    if (!/^https?:/i.test(whole) || !URL.canParse(whole)) throw new Error('must be an http or https URL');
    const url = new URL(whole);
    const { username, password, pathname, search, hash } = url;
    // A / ? or # in a password ends the host before it: what would be called is not what was meant, and would be told.
    if (`${pathname}${search}${hash}` !== '/')
      throw new Error('must end with its host and port, a password be percent-encoded');
    return new HttpProxy(
      new URL(url.origin),
      username === '' && password === '' ? undefined : `${decoded(username)}:${decoded(password)}`,
    );
  }

  /** For messages: host and port. */
  get host(): string {
    const { host, port, protocol } = this.origin;
    return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
  }

  /** What is to be sent to the proxy, and to nobody else. */
  get headers(): Readonly<Record<string, string>> {
    if (this.#userinfo === undefined) return {};
    return { 'proxy-authorization': `Basic ${Buffer.from(this.#userinfo).toString('base64')}` };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('user and password must be percent-encoded');
  }
}
