/** @file Tells the quantities that a model has from those that it has not. */
import { backward, type Extension, type Extensions } from '@beyondgrad/autograd'
import { BeyondgradError, type ErrorCode, type Tensor } from '@beyondgrad/tensor'

export interface Refusal {
  readonly quantity: string
  readonly message: string
}

/** What it is about the model, not about the request, that a quantity can't be had. */
const aboutTheModel: readonly ErrorCode[] = ['unsupported', 'mixed-samples']

/** Builds everything once, and, if that fails, one quantity after the other. */
export function supported(
  loss: Tensor,
  asked: Extensions,
): { readonly extensions: Extensions; readonly unsupported: readonly Refusal[] } {
  try {
    backward(loss, asked)
    return { extensions: asked, unsupported: [] }
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const extensions: Record<string, Extension<unknown>> = {}
  const unsupported: Refusal[] = []
  for (const [quantity, extension] of Object.entries(asked)) {
    try {
      backward(loss, { [quantity]: extension })
      extensions[quantity] = extension
    } catch (error) {
      if (!isRefusal(error)) throw error
      unsupported.push({ quantity, message: error.message })
    }
  }
  return { extensions, unsupported }
}

function isRefusal(error: unknown): error is BeyondgradError {
  return error instanceof BeyondgradError && aboutTheModel.includes(error.code)
}
