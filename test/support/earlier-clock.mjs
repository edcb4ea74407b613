// For `node --import`: this process begins on 1 January 2026. What it makes (certificates, times in the state) is valid on
// any machine whose clock comes later.

const begin = Date.UTC(2026, 0, 1);
const offset = begin - Date.now();
const RealDate = Date;
const now = () => RealDate.now() + offset;

globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length === 0 ? [now()] : given));
  }
  static now() {
    return now();
  }
};
