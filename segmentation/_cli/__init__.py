"""What ``python -m segmentation`` does between its arguments and the library; nothing else imports it."""
