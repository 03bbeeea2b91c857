/** What a token endpoint answers in an error (RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5). */
export type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'access_denied'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token';

export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly code: OAuthCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** `description`: visible ASCII without quotes and backslashes, for whoever asked. */
  constructor(
    code: OAuthCode,
    description: string,
    { status = 400, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(description);
    this.code = code;
    this.status = status;
    this.headers = headers;
  }

  toJSON(): object {
    return { error: this.code, error_description: this.message };
  }
}
