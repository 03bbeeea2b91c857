import { errorCodes } from '../oci/error.ts';
import { code, generated, page, table } from './markdown.ts';

export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(([name, { status, message }]) => [
    code(name),
    String(status),
    message,
  ]);
  return page(
    '# Errors',
    generated,
    'An error is answered as the distribution specification has it: `{"errors": [{"code": "…", "message": "…"}]}`. The code is for programs; the message says what happened in this case, and stands here as it is when there is nothing more to say.',
    table(['Code', 'Status', 'Message'], rows),
    'The status is the usual one. `UNAVAILABLE` is 502 when upstream cannot be reached or answers what makes no sense, 503 while this server stops, when upstream says so, and when an answer takes longer than a client should wait for its status line (20 s; ask again, it is being fetched), 504 when upstream takes too long. `TOOMANYREQUESTS` is a limit of this server (`rateLimit`, wrong passwords), always with `Retry-After`, or upstream’s own, with its. What upstream has and we cannot serve is no outage: an image as schema 1 only is `UNSUPPORTED` with 415, a manifest of more than 4 MiB `MANIFEST_INVALID` with 413. Nothing that goes wrong upstream becomes a 404.',
    'What is cached is changed at its own registry: a push or a delete is answered `UNSUPPORTED` (405), and so is a delete of what something else in its repository needs. What lives here (`hosted`) answers `DENIED` with 403 where it is not open, with 409 where an immutable tag would move; `BLOB_UPLOAD_INVALID` with 409 while another request writes to an upload; `RANGE_INVALID` with a `Range` of what has come; `MANIFEST_INVALID` with 413 for more than 4 MiB; `TOOMANYREQUESTS` where too many uploads are open; `UNAVAILABLE` with 507 where there is no room, and with 408 where a client sends nothing more.',
  );
}
