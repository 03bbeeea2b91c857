import type { Spool } from './spool-store.ts';

/** What lies there of an upload. */
export interface UploadBytes {
  readonly size: number;
  /** When it was last written to. Milliseconds since the epoch. */
  readonly writtenAt: number;
}

/**
 * Bytes of uploads, which come in order, over many requests and perhaps several processes. Between two requests nobody has them open, and they take nothing but
 * room on the disk. Ids are 32 hex digits.
 */
export interface UploadSpools {
  /** Of this one nothing has come yet: whoever opens it finds it at once. Never rejects: what cannot be made now is made when it is opened. */
  make(id: string): Promise<void>;
  /**
   * What is there of it, to be gone on with behind its end; nothing is there at first. It stays when it is disposed of, unless it was put. Undefined:
   * somebody else has it open, perhaps another process. Throws as {@link SpoolStore.begin}.
   */
  open(id: string): Promise<Spool | undefined>;
  /** Also while somebody has it open. Undefined: nothing. */
  stat(id: string): Promise<UploadBytes | undefined>;
  /** Throws it away; what somebody has open stays. Never rejects. */
  discard(id: string): Promise<void>;
  /** Ids of all that lie there. */
  list(): AsyncIterable<string>;
}
