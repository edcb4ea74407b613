/** Takes out of an output what may differ between two swarms that behave the same: ids, times, secrets, paths. */
export function normalise(text: string): string {
  const cleaned = text
    .replaceAll(/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, '<token>')
    .replaceAll(
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----(\\n|\n)?/g,
      '<certificate>',
    )
    .replaceAll(/\b[0-9a-z]{25}\b/g, '<id>')
    .replaceAll(/\b[0-9a-f]{12}\b/g, '<short-id>')
    .replaceAll(/\b[0-9a-z]{12}\b(?= +\\_|\s+web|\s+everywhere)/g, '<short-id>')
    .replaceAll(/sha256:[0-9a-f]{64}/g, '<digest>')
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.0-9]*(Z| \+0000 UTC)( utc)?/gi, '<time>')
    .replaceAll(/(less than a second|about a minute|\d+ (second|minute)s?) ago/gi, '<ago>')
    .replaceAll(/"Index": ?\d+/g, '"Index":<n>')
    .replaceAll(/"(CertIssuerSubject|CertIssuerPublicKey)": ?"[^"]*"/g, '"$1":"<der>"')
    .replaceAll(/(Issuer Subject|Issuer Public Key):\s+\S+/g, '$1: <der>')
    .replaceAll(/\/[^\s"]*\.sock/g, '<socket>');
  return cleaned
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, '  ').trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}
