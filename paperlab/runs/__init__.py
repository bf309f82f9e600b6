"""Reproductions as paperlab sees them: started as another process, read from their run directories, judged."""
