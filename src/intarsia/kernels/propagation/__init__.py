"""The linear recurrence of SPN."""
