/** So many columns are named. */
const maxColumns = 3;

/** The lines of a text in YAML by their indentation. Lines and columns count from one; no word of the text is told. */
export class IndentedLines {
  readonly #lines: readonly string[];

  constructor(text: string) {
    this.#lines = text.split(/\r?\n/);
  }

  /** Spaces before what is there. */
  indent(line: number): number {
    return this.#text(line).search(/\S|$/);
  }

  /** Does it begin with a key, or with an item of a list that does? */
  hasKey(line: number): boolean {
    return /^(?:- +)*(?:[^\s:#"'[{-][^:]*|"[^"]*"\s*|'[^']*'\s*):(?:\s|$)/.test(this.#text(line).trimStart());
  }

  /** The first line from this one on that begins with a key or an item. */
  entryFrom(line: number): number | undefined {
    for (let at = line; at <= this.#lines.length; at++) if (this.#isEntry(at)) return at;
    return undefined;
  }

  /** Why a line belongs to nothing, with the columns in which it might. */
  misfit(line: number): string {
    const [what, others] = this.#isItem(line)
      ? (['this item of a list', 'items before it'] as const)
      : (['this key', 'keys before it'] as const);
    const columns = this.#before(line).slice(0, maxColumns);
    const known = columns.map(({ column, line: where }) => `${column} (line ${where})`).join(' or ');
    const begins = `wrong indentation: ${what} begins in column ${this.indent(line) + 1}`;
    return known === '' ? begins : `${begins}, ${others} in ${known}`;
  }

  /** The columns that are open before a line, the innermost first: of the items of lists for one, else of keys. */
  #before(line: number): { column: number; line: number }[] {
    const found: { column: number; line: number }[] = [];
    let least = Number.POSITIVE_INFINITY;
    for (let above = line - 1; above > 0 && least > 1; above--) {
      if (!this.#isEntry(above)) continue;
      const wanted = this.#open(above, this.#isItem(line)).filter((column) => column < least);
      least = Math.min(least, this.indent(above) + 1, ...wanted);
      found.push(...wanted.toReversed().map((column) => ({ column, line: above })));
    }
    return found;
  }

  /** Where the items of lists begin in a line, or its key. */
  #open(line: number, ofItems: boolean): number[] {
    const columns = this.#columns(line);
    return ofItems ? columns.slice(0, this.#isItem(line) ? -1 : 0) : columns.slice(-1);
  }

  /** Where each dash of a line stands, and its key behind them. */
  #columns(line: number): number[] {
    const columns = [this.indent(line) + 1];
    let rest = this.#text(line).trimStart();
    for (let dash = /^- +/.exec(rest); dash !== null; dash = /^- +/.exec(rest)) {
      columns.push((columns.at(-1) ?? 0) + dash[0].length);
      rest = rest.slice(dash[0].length);
    }
    return columns;
  }

  #isEntry(line: number): boolean {
    return this.hasKey(line) || this.#isItem(line);
  }

  #isItem(line: number): boolean {
    return /^\s*-(?:\s|$)/.test(this.#text(line));
  }

  #text(line: number): string {
    return this.#lines[line - 1] ?? '';
  }
}
