/**
 * Image references by the grammar of the distribution project (github.com/distribution/reference), normalised as
 * Docker does: `nginx` stands for `docker.io/library/nginx`.
 */
import { invalid } from './faults.ts';
import { quote } from './go-text.ts';

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const host = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const tag = '[\\w][\\w.-]{0,127}';
const digest = '(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})';
const reference = new RegExp(
  `^(?:${host}/)?(${component}(?:/${component})*)(?::${tag})?(?:@${digest})?$`,
);
const identifier = /^[a-f0-9]{64}$/;
const pathLengthMax = 255;
/** Longer than any reference can be: host names and paths have 255 characters at most. */
const referenceLengthMax = 1024;

/** Whether the first part of a name is a registry's host, not a part of the path. */
const isHost = (part: string): boolean =>
  part === 'localhost' || /[.:]/.test(part) || part !== part.toLowerCase();

/** Adds what short names leave out; Docker Hub's own images live under `library/`. */
function normalised(image: string): string {
  const slash = image.indexOf('/');
  if (slash === -1) return `docker.io/library/${image}`;
  return isHost(image.slice(0, slash)) ? image : `docker.io/${image}`;
}

/** The host that a reference names, as Docker reads it. */
export const registryOf = (image: string): string => normalised(image).split('/', 1)[0] as string;

export function isImageReference(image: string): boolean {
  if (image.length > referenceLengthMax || identifier.test(image)) return false;
  const path = reference.exec(normalised(image))?.[1];
  return path !== undefined && path.length <= pathLengthMax;
}

export function checkImage(image: string): void {
  if (image === '') throw invalid('ContainerSpec: image reference must be provided');
  if (!isImageReference(image))
    throw invalid(`ContainerSpec: ${quote(image)} is not a valid repository/tag`);
}
