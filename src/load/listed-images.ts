import { setImmediate } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { imagesInObjects } from './cluster-images.ts';
import { imagesInList, type ListedImage } from './image-list.ts';
import { LoadError, reasonOf } from './load-error.ts';

/** The images that a file names, and what in it cannot be read. */
export interface FileOfImages {
  /** Kubernetes takes a name without a registry for one of Docker Hub. */
  readonly isOfCluster: boolean;
  readonly images: readonly ListedImage[];
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
    throw new LoadError(`${JSON.stringify(file)} is not JSON: ${reasonOf(error)}`);
  }
}

async function inYaml(text: string, file: string): Promise<FileOfImages> {
  const found: string[] = [];
  const problems: string[] = [];
  let line = 1;
  // Each by itself: a mistake in one is no reason to leave out the others, and between them others have their turn.
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    try {
      const documents = parseAllDocuments(part, { logLevel: 'error', prettyErrors: false });
      for (const document of documents) {
        const [mistake] = document.errors;
        if (mistake !== undefined) throw mistake;
        found.push(...imagesInObjects([document.toJS()]));
      }
    } catch (error) {
      problems.push(`${file}:${line}: no YAML: ${reasonOf(error)}`);
    }
    line += part.split('\n').length - 1;
    await setImmediate();
  }
  return { ...ofCluster([...new Set(found)], file), problems };
}

function ofCluster(images: readonly string[], file: string): FileOfImages {
  return { isOfCluster: true, images: images.map((text) => ({ text, at: file })), problems: [] };
}
