# SPDX-License-Identifier: Apache-2.0
"""Downloads over REST: yt-videos-api's bodies on the outside, a DownloadJob behind them."""
