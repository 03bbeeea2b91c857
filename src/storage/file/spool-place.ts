/** Where the bytes of a spool are, and what becomes of that when it is done. */
export interface SpoolPlace {
  readonly path: string;
  /** Where that stands which is on record of them; undefined: nobody would read it. */
  readonly record: string | undefined;
  /** Is a record there, perhaps? */
  hasRecord: boolean;
  /** They were neither put nor kept. `isDoubtful`: a sync has failed, whose bytes nobody can be sure of. Throws what keeps them from being removed. */
  remove(isDoubtful?: boolean): Promise<void>;
  /** They have another name. Never rejects. */
  leave(): Promise<void>;
}
