import { setImmediate } from 'node:timers/promises';
import { parseAllDocuments, YAMLParseError } from 'yaml';
import { imagesInObjects } from './cluster-images.ts';
import { imagesInList, type ListedImage } from './image-list.ts';
import { LoadError, reasonOf } from './load-error.ts';

/** Its reader takes some fifty times as much memory, and all of the event loop's time. Characters. */
const maxYaml = 16 * 1024 * 1024;

/** The images that a file names, and what in it cannot be read. */
export interface FileOfImages {
  /** Kubernetes takes a name without a registry for one of Docker Hub. */
  readonly isOfCluster: boolean;
  readonly images: Iterable<ListedImage>;
  /** In words, with the place. */
  readonly problems: readonly string[];
}

/** A list, or Kubernetes' objects in JSON (as of `kubectl get pods -o json`) or in YAML. Throws LoadError for JSON that is none. */
export async function listedImages(text: string, file: string): Promise<FileOfImages> {
  const start = text.replace(/^\uFEFF/, '').trimStart();
  if (start.startsWith('{') || start.startsWith('['))
    return ofCluster(imagesInObjects([json(start, file)]), file);
  if (/\.ya?ml$/i.test(file) || /^(?:---|(?:apiVersion|kind|items):)/m.test(start))
    return await inYaml(text, file);
  return { isOfCluster: false, images: imagesInList(text, file), problems: [] };
}

function json(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LoadError(`${JSON.stringify(file)} is not JSON: ${unquoted(error)}`);
  }
}

async function inYaml(text: string, file: string): Promise<FileOfImages> {
  const found: string[] = [];
  const problems: string[] = [];
  let line = 1;
  // Each by itself: a mistake in one is no reason to leave out the others, and between them others have their turn.
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    try {
      found.push(...imagesInPart(part));
    } catch (error) {
      problems.push(`${file}:${line + linesBefore(error, part)}: ${whyNot(error)}`);
    }
    line += part.split('\n').length - 1;
    await setImmediate();
  }
  return { ...ofCluster([...new Set(found)], file), problems };
}

function ofCluster(images: readonly string[], file: string): FileOfImages {
  return { isOfCluster: true, images: images.map((text) => ({ text, at: file })), problems: [] };
}

/** Throws YAML's errors, and LoadError. */
function imagesInPart(part: string): string[] {
  if (part.length > maxYaml)
    throw new LoadError(`larger than ${maxYaml} characters in one document: have it as JSON (-o json)`);
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
