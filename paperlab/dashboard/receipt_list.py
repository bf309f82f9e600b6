"""What became of a sync, with a shape as well as a colour."""

from __future__ import annotations

from paperlab.entities import ReceiptStatus

STATES = {
    ReceiptStatus.RUNNING: ":blue[▶ running]",
    ReceiptStatus.COMPLETE: ":green[✔ complete]",
    ReceiptStatus.PARTIAL: ":orange[◐ partial]",
    ReceiptStatus.INTERRUPTED: ":orange[‖ interrupted]",
    ReceiptStatus.FAILED: ":red[✘ failed]",
}
"""As Markdown."""
