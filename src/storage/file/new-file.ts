/** A file that is to be made of bytes in memory. */
export interface NewFile {
  /** Nothing has this name; nobody sees what does. */
  readonly from: string;
  /** What it is called in the end, in the place of whatever file has that name. */
  readonly to: string;
  readonly bytes: Uint8Array;
}
