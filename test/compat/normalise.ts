/** Takes out of an output what may differ between two swarms that behave the same: ids, times, secrets, paths. */
export function normalise(text: string): string {
  const cleaned = text
    .replaceAll(/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, '<token>')
    .replaceAll(
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----(\\n|\n)?/g,
      '<certificate>',
    )
    .replaceAll(/sha256:[0-9a-f]{64}/g, '<digest>')
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<container>')
    .replaceAll(/\b[0-9a-z]{25}\b/g, '<id>')
    .replaceAll(/\b[0-9a-f]{12}\b/g, '<short-id>')
    // where the CLI shortens ids of the swarm: first in a line, and in the names of log lines
    .replaceAll(/^[0-9a-z]{12}(?=\s|$)/gm, '<short-id>')
    .replaceAll(/"ID":"[0-9a-z]{12}"/g, '"ID":"<short-id>"')
    .replaceAll(/(?<=\.)[0-9a-z]{12}(?=@)/g, '<short-id>')
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.0-9]*(Z| \+0000 UTC)( utc)?/gi, '<time>')
    .replaceAll(/"(time|timeNano)": ?\d+/g, '"$1":<time>')
    .replaceAll(/(`since`|`until`) time \(\d+[.\d]*\)/g, '$1 time (<time>)')
    .replaceAll(/(less than a second|about a minute|\d+ (second|minute)s?) ago/gi, '<ago>')
    .replaceAll(/"Index": ?\d+/g, '"Index":<n>')
    .replaceAll(/"PID": ?\d+/g, '"PID":<n>')
    .replaceAll(/"(CertIssuerSubject|CertIssuerPublicKey)": ?"[^"]*"/g, '"$1":"<der>"')
    .replaceAll(/(Issuer Subject|Issuer Public Key):\s+\S+/g, '$1: <der>')
    .replaceAll(/\/[^\s"]*\.sock/g, '<socket>');
  return cleaned
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, '  ').trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

/** JSON with its fields in the order of their names: no client minds it. Other text stays as it is. */
export function inOrder(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
  } catch {
    return text;
  }
}
