export { parseIdx, readIdx, type IdxDType, type IdxOptions } from './idx.ts'
export * from './safetensors.ts'
