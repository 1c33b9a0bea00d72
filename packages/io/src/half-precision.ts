/** @file Floats of 16 bits. */

/** IEEE 754 half precision: five bits of exponent, ten of fraction. */
export function halfPrecision(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const word = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(4))

/** bfloat16: the upper half of a single-precision number. */
export function brainFloat(bits: number): number {
  word.setUint32(0, bits << 16)
  return word.getFloat32(0)
}
