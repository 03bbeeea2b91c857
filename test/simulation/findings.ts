/** What must hold, whatever happens. A finding names the one that does not. */
export const invariants = {
  'only registry errors': 'a call of the registry throws RegistryErrors alone',
  'whole answers are right':
    'no answer ends whole with wrong bytes, or short, and none has a part of a file that was changed',
  'healthy upstream, right answer':
    'what upstream has and gives is answered with 200, and what it has not with 404',
  'complete is served': 'what a client had completely for a second is served, whatever upstream does',
  'complete survives a crash':
    'what a client had completely for a second is served after a crash, upstream down',
  'what was served becomes complete':
    'of each image that is cached the blobs are there when upstream has been well for a quarter of an hour',
  'no deletion by a claim': 'the right bytes of a digest are never deleted',
  'images are whole': 'of an image that is listed what is said to be here is here',
  'what is pinned stays': 'a pinned tag is never removed',
  'what is leased stays': 'bytes are not discarded while somebody has leased them',
  'what is gone upstream goes last':
    'an image that upstream has no more is evicted when no other may go that has been here for a while',
  'bundles are whole':
    'what an export says to be in its bundle is in it or in those that it goes on from, bit for bit, once, with all that it leads to',
  'what is here is exported': 'an image that is cached whole is in a bundle that it is meant for',
  'what is exported is imported': 'an image of a bundle that is whole can be imported',
  'what was imported is here': 'of what an import says to be here all is served, whatever upstream does',
  'two caches are one':
    'on one directory a server serves no tag and no manifest for a second after the index says otherwise',
  'what was pushed is here':
    'what a push, a mount or a list has said to be here is given and listed, whole, until somebody deletes it, also after a crash',
  'nothing else lives here':
    'of repositories that live here nothing is given or listed that was not pushed, or was deleted',
  'a pushed tag is its last push':
    'a tag of what lives here points to what was pushed last, or is being pushed; an immutable one never moves',
  'what is needed is not taken away':
    'what lives here is removed by nobody but its clients, and by them not while a manifest names it',
  'a push that nothing hinders is taken':
    'a push, a mount or a deletion is refused for a reason that there is',
  'an upload goes on where it was':
    'of an upload there is as much as was said, until it is given up or expires',
  'nothing unneeded stays':
    'of what was pushed the disk has in the end what a manifest names, and the totals count that',
  'the limit holds': 'the cache keeps within its limit, or says that it cannot',
  'a tag is true': 'a tag points to what upstream said within the freshness allowed',
  'HEAD says what GET has': 'a blob’s HEAD says the size that its GET has, or none',
  'in time': 'while upstream is well a client hears something within 30 s',
  'a digest alone opens nothing': 'a repository is served no blob that it does not own',
  'bounded files': 'open files stay within what the clients who are here account for',
  'bounded transfers': 'blobs on their way stay within what clients wait for and what may come without',
  'bounded requests': 'a blob is not fetched again and again from a healthy upstream',
  'no byte comes twice': 'of a blob upstream gives each byte once while all is well',
  'everything ends': 'no client waits for ever, and the server stops',
  'nothing is left':
    'after the end no file is open, no answer unread, no timer set, no partial file there but what can be gone on with',
  'no error is logged': 'nothing is logged as an error while disk and upstream are well',
  'no rejection is lost': 'every rejected promise is somebody’s',
} as const;

export type Invariant = keyof typeof invariants;

export interface Finding {
  readonly invariant: Invariant;
  readonly message: string;
  /** Fake milliseconds since the scenario began. */
  readonly time: number;
}

export class Findings {
  readonly all: Finding[] = [];
  readonly #passedOver: readonly string[];
  readonly #now: () => number;
  #first: Finding | undefined;

  /** Findings whose words have one of these in them are kept and do not end the run. */
  constructor(passedOver: readonly string[], now: () => number) {
    this.#passedOver = passedOver;
    this.#now = now;
  }

  add(invariant: Invariant, message: string): void {
    const finding = { invariant, message, time: this.#now() };
    this.all.push(finding);
    const words = `${invariant}: ${message}`;
    if (!this.#passedOver.some((part) => words.includes(part))) this.#first ??= finding;
  }

  /** The first that counts. */
  get first(): Finding | undefined {
    return this.#first;
  }
}
