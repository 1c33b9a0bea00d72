"""The same from Python: pip install onnxruntime numpy, then python run.py (after `npm start` has written the file)."""
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(Path(__file__).parent.parent / "extended.onnx")
names = [output.name for output in session.get_outputs()]
for samples in (2, 5):
    x = np.sin(np.arange(1, samples * 4 + 1)).astype(np.float32).reshape(samples, 4)
    labels = (np.arange(samples) % 3).astype(np.int32)
    results = dict(zip(names, session.run(None, {"input": x, "target": labels})))
    print(f"{samples} samples: loss {results['loss']:.6f}")
    print("  squared norms of their gradients in 0.weight:", results["batch-l2/0.weight"])
    print("  trace of the Gauss-Newton block of 0.weight:", results["diag-ggn/0.weight"].sum())
