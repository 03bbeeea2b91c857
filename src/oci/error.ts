import { Wording } from './wording.ts';

/**
 * The error codes of the distribution specification (spec.md "Error Codes") and Docker's three for
 * 5xx and rate limits, each with the HTTP status it has unless the thrower knows better.
 */
export const errorCodes = {
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  DIGEST_INVALID: { status: 400, message: 'provided digest did not match uploaded content' },
  MANIFEST_BLOB_UNKNOWN: {
    status: 404,
    message: 'manifest references a manifest or blob unknown to registry',
  },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown to registry' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to registry' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  RANGE_INVALID: { status: 416, message: 'requested range not satisfiable' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'invalid number of results requested' },
  UNKNOWN: { status: 500, message: 'unknown error' },
  UNAVAILABLE: { status: 502, message: 'upstream registry unavailable' },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface RegistryErrorOptions {
  /** HTTP status, where it differs from the code's own (502, 503 and 504 share UNAVAILABLE). */
  readonly status?: number | undefined;
  readonly detail?: unknown;
  /** Response headers that belong to the error: Retry-After, Allow, Content-Range. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly cause?: unknown;
}

/**
 * The only error that is thrown on purpose. Anything else that reaches the client's door is a bug: 500. Its message is for everybody; what
 * only whoever runs this server is to read stands in its wording. Who makes another of it hands that on.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly wording: Wording;

  constructor(
    code: ErrorCode,
    words: string | Wording = errorCodes[code].message,
    options: RegistryErrorOptions = {},
  ) {
    const wording = typeof words === 'string' ? new Wording(words, words) : words;
    super(wording.forClients, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.wording = wording;
    this.status = options.status ?? errorCodes[code].status;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  /** What its message leaves out besides: for the log, and for a diagnosis. */
  get forOperator(): string {
    return this.wording.forOperator;
  }

  /** The body that the specification prescribes: `{"errors":[{code,message,detail?}]}`. */
  toJSON(): { errors: [{ code: ErrorCode; message: string; detail?: unknown }] } {
    const { code, message, detail } = this;
    return { errors: [detail === undefined ? { code, message } : { code, message, detail }] };
  }
}
