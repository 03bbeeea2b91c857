/**
 * What a request needs to be authorised for: the specification's scope (distribution, "Token Scope
 * Documentation"), a set of `type:name:action` triples and of opaque words. Immutable.
 *
 * A parsed scope remembers its text, because some token servers compare it letter by letter.
 */
export class Scope {
  static readonly none = new Scope(new Set(), '');
  /** Holds everything; nothing but itself holds it. */
  static readonly unlimited = new Scope(new Set(), '*', true);

  readonly #parts: ReadonlySet<string>;
  readonly #text: string | undefined;
  readonly #unlimited: boolean;

  private constructor(parts: ReadonlySet<string>, text?: string, unlimited = false) {
    this.#parts = parts;
    this.#text = text;
    this.#unlimited = unlimited;
  }

  /** Never throws: a word that is not `type:name:actions` is kept as it is. */
  static parse(text: string): Scope {
    const words = text.split(/\s+/).filter((word) => word !== '');
    return words.length === 0 ? Scope.none : new Scope(new Set(words.flatMap(partsOf)), text.trim());
  }

  /** What reading a repository takes. `path` is the name as the registry itself knows it. */
  static pull(path: string): Scope {
    return Scope.parse(`repository:${path}:pull`);
  }

  get isEmpty(): boolean {
    return !this.#unlimited && this.#parts.size === 0;
  }

  get isUnlimited(): boolean {
    return this.#unlimited;
  }

  /** The number of triples and words. */
  get size(): number {
    return this.#parts.size;
  }

  contains(other: Scope): boolean {
    if (this.#unlimited || other.isEmpty) return true;
    return !other.#unlimited && [...other.#parts].every((part) => this.#parts.has(part));
  }

  equals(other: Scope): boolean {
    return this.contains(other) && other.contains(this);
  }

  /** Keeps the text of the operand that the other adds nothing to. */
  union(other: Scope): Scope {
    if (this.contains(other)) return this;
    if (other.contains(this)) return other;
    return new Scope(new Set([...this.#parts, ...other.#parts]));
  }

  /** Sorted, each resource once with all its actions: one word for each resource. */
  canonical(): string {
    if (this.#unlimited) return '*';
    const actions = new Map<string, string[]>();
    for (const part of [...this.#parts].sort()) {
      const resource = resourceOf(part);
      const known = actions.get(resource) ?? [];
      actions.set(resource, resource === part ? known : [...known, part.slice(resource.length + 1)]);
    }
    return [...actions]
      .map(([resource, names]) => (names.length === 0 ? resource : `${resource}:${names.join(',')}`))
      .join(' ');
  }

  /** The text it was parsed from, else the canonical form. */
  toString(): string {
    return this.#text ?? this.canonical();
  }
}

/** One triple for each action of a word; a word of another shape is one part by itself. */
function partsOf(word: string): string[] {
  const fields = word.split(':');
  const [type, name, actions] = fields;
  if (fields.length !== 3 || !type || !name || !actions) return [word];
  const names = actions.split(',').filter((action) => action !== '');
  return names.length === 0 ? [word] : names.map((action) => `${type}:${name}:${action}`);
}

/** `type:name` of a triple; an opaque word is its own resource. */
function resourceOf(part: string): string {
  const fields = part.split(':');
  return fields.length === 3 && fields.every((field) => field !== '') ? `${fields[0]}:${fields[1]}` : part;
}
