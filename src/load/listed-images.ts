import { setImmediate } from 'node:timers/promises';
import { parseAllDocuments, YAMLParseError } from 'yaml';
import { imagesInObjects } from './cluster-images.ts';
import { imagesInList, type ListedImage } from './image-list.ts';
import { LoadError, reasonOf } from './load-error.ts';

/** What has more mistakes is not read on. */
const maxProblems = 1000;

/** The images that a file names, and what in it cannot be read. */
export interface FileOfImages {
  /** Kubernetes takes a name without a registry for one of Docker Hub. */
  readonly isOfCluster: boolean;
  readonly images: Iterable<ListedImage> | AsyncIterable<ListedImage>;
  /** In words, with the place. */
  readonly problems: readonly string[];
}

/** What there is memory for: of JSON each value takes some, of YAML each character some fifty times as much. */
export interface ListLimits {
  readonly maxJsonValues: number;
  readonly maxYamlChars: number;
}

/** A list, or Kubernetes' objects in JSON (as of `kubectl get pods -o json`) or in YAML. Throws LoadError for JSON that is none, or too much. */
export async function listedImages(
  text: string,
  file: string,
  limits: ListLimits,
): Promise<FileOfImages & { readonly images: Iterable<ListedImage> }> {
  if (text.includes('\0')) throw new LoadError(`${JSON.stringify(file)} is no text in UTF-8, and no tar`);
  const start = text.replace(/^\uFEFF/, '').trimStart();
  if (start.startsWith('{') || start.startsWith('['))
    return ofCluster(imagesInObjects([json(start, file, limits)]), file);
  if (/\.ya?ml$/i.test(file) || /^(?:---|(?:apiVersion|kind|items):)/m.test(start))
    return await inYaml(text, file, limits);
  return { isOfCluster: false, images: imagesInList(text, file), problems: [] };
}

function json(text: string, file: string, { maxJsonValues }: ListLimits): unknown {
  if (hasMoreValues(text, maxJsonValues))
    throw new LoadError(`${JSON.stringify(file)} has more than ${maxJsonValues} values: have it in several`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LoadError(`${JSON.stringify(file)} is not JSON: ${unquoted(error)}`);
  }
}

/** Not more than a guess: what stands in texts counts too. */
function hasMoreValues(text: string, most: number): boolean {
  if (text.length <= most) return false;
  let values = 0;
  for (const _ of text.matchAll(/[[{,]/g)) {
    values += 1;
    if (values > most) return true;
  }
  return false;
}

async function inYaml(text: string, file: string, { maxYamlChars }: ListLimits) {
  const found = new Set<string>();
  const problems: string[] = [];
  let line = 1;
  // Each by itself: a mistake in one is no reason to leave out the others, and between them others have their turn.
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    try {
      for (const image of imagesInPart(part, maxYamlChars)) found.add(image);
    } catch (error) {
      problems.push(`${file}:${line + linesBefore(error, part)}: ${whyNot(error)}`);
    }
    if (problems.length === maxProblems) {
      problems.push(`${file}: the rest of it is not read`);
      break;
    }
    line += part.split('\n').length - 1;
    await setImmediate();
  }
  return { ...ofCluster([...found], file), problems };
}

function ofCluster(images: readonly string[], file: string) {
  return { isOfCluster: true, images: images.map((text) => ({ text, at: file })), problems: [] };
}

/** Throws YAML's errors, and LoadError. */
function imagesInPart(part: string, maxChars: number): string[] {
  if (part.length > maxChars)
    throw new LoadError(`larger than ${maxChars} characters in one document: have it as JSON (-o json)`);
  const documents = parseAllDocuments(part, { logLevel: 'error', prettyErrors: false });
  return documents.flatMap((document) => {
    const [mistake] = document.errors;
    if (mistake !== undefined) throw mistake;
    return imagesInObjects([document.toJS()]);
  });
}

function linesBefore(error: unknown, part: string): number {
  return error instanceof YAMLParseError ? part.slice(0, error.pos[0]).trimEnd().split('\n').length - 1 : 0;
}

/** Nothing of what stands there, which may be a secret. */
function whyNot(error: unknown): string {
  if (error instanceof LoadError) return error.message;
  if (!(error instanceof YAMLParseError)) return `no YAML: ${unquoted(error)}`;
  return `no YAML: ${error.code.toLowerCase().replaceAll('_', ' ')}`;
}

/** V8 quotes what stands around a mistake in JSON, and YAML's reader an alias that is none. */
function unquoted(error: unknown): string {
  return reasonOf(error).replace(/(?:, \.{0,3}"|: ).*$/, '');
}
