/** Certificates, tokens and keys of a cluster. Pure but for node:crypto: no files, no clock. */
export { Authority, type AuthorityMaterial, createCluster, type SignOptions } from './authority.ts';
export { caTools } from './ca-tools.ts';
export {
  backdateMs,
  crossSignRoot,
  type Issuer,
  issueNodeCertificate,
  issueRoot,
  makeIssuer,
  nodeValidityMs,
  rootValidityMs,
} from './certificate.ts';
export {
  type Certificate,
  nodeTlsInfo,
  pinOfKey,
  publicKeyPin,
  readCertificate,
  readCertificates,
  type TlsInfo,
  tlsInfo,
} from './certificate-reader.ts';
export {
  askExternalCa,
  type CfsslClient,
  type CfsslConnect,
  type CfsslReport,
  type ExternalRequest,
  type ExternalSigning,
  signExternally,
} from './external-ca.ts';
export { PkiError, type PkiErrorCode } from './errors.ts';
export { isIdentityName, type Role, roleUnits } from './identity.ts';
export {
  type JoinToken,
  type JoinTokenResult,
  makeJoinToken,
  newJoinSecret,
  parseJoinToken,
  rootDigest,
  rootMatchesToken,
  tokenMatches,
} from './join-token.ts';
export { generateKeys, privateKeyFromPem, privateKeyToPem } from './keys.ts';
export {
  type AuthRequest,
  type AuthResponseOptions,
  decodeAuthRequest,
  type Permissions,
  type SubjectRules,
  signAuthResponseJwt,
  signUserJwt,
  type UserOptions,
} from './nats-jwt.ts';
export {
  createNKey,
  isPublicNKey,
  type NKey,
  type NKeyKind,
  nkeyFromSeed,
  seedOf,
  signWithNKey,
  verifyWithNKey,
} from './nkey.ts';
export { normalizeCertificates } from './pem.ts';
export { checkRejoin, proveRejoin, rejoinChannel, type RejoinClaim } from './rejoin.ts';
export { createRequest, readRequest } from './request.ts';
export {
  formatUnlockKey,
  isSealedPem,
  newKey,
  openKeyPem,
  parseUnlockKey,
  sealKeyPem,
  type UnlockKeyResult,
  unwrap,
  wrap,
} from './unlock-key.ts';
export {
  type Refusal,
  type TrustedRoots,
  trustRoots,
  type Verification,
  verifyNodeCertificate,
} from './verify.ts';
