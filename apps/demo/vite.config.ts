import { defaultClientConditions, defineConfig } from 'vite'
import { digits } from './build/digits-plugin.ts'

export default defineConfig({
  // Works under any address: nothing in the build starts at a server's root.
  base: './',
  resolve: {
    conditions: ['@beyondgrad/source', ...defaultClientConditions],
    // The page does not train on graphics cards: it needs no 27 MB for them.
    alias: { 'onnxruntime-web/webgpu': 'onnxruntime-web/wasm' },
  },
  plugins: [digits()],
  worker: { format: 'es' },
  build: { target: 'es2022' },
  // Its bundler would lose the way from the module to its wasm file.
  optimizeDeps: { exclude: ['onnxruntime-web'] },
})
